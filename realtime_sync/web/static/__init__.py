"""What pages are made of: HTML, style and JavaScript modules, as they are served."""
