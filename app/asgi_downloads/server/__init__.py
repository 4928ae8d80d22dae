"""What belongs to uvicorn or nginx. The application never imports from here."""
