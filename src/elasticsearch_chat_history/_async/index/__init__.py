"""One index as one client sees it: its requests, and what is made of them."""
