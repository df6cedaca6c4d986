"""What a journal is sealed with: checksums of its pages, and how much of its log is committed. Damage is seen by them."""
