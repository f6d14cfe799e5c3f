"""Where photos come from: synthetic, folders, CSV files, the Grocery Store Dataset."""
