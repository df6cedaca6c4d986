"""What the catalogue gives, beside published figures."""
