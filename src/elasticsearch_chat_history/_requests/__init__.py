"""How requests are sent: bulk lines, the shared flush, retries, and what failures mean."""
