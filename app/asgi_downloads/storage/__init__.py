"""The disk and the database. What may block leaves the event loop; nothing here knows HTTP."""
