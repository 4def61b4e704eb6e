"""What a finished run shows: contact sheet, merged view, recount."""
