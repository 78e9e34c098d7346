"""What several places are drawn with: theme, labels, banners, sheets. Knows no place."""
