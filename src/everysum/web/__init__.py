"""The page: ES modules, CSS and HTML that are served as they are, and the application that serves them."""
