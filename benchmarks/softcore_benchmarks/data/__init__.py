"""Data: categories in MVTec AD's layout, drawn ones, and the features of their images."""
