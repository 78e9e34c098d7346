"""What several places draw with: theme, labels, banners, sheets. Knows no place."""
