"""What trials said of their test examples: in the journal until it stands in a part of the table, which is written once."""
