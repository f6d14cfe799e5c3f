"""Where photos come from: synthetic, folders, CSV files, the Grocery Store Dataset."""

# Names the folder of copies of what was downloaded.
CACHE_VARIABLE = "GHOSTLENS_CACHE"
