"""One index as one client sees it, and the work on it: preparing, paging, writing, searching."""
