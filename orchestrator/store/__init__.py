"""What is kept of a sweep: the journal is the truth, the Parquet tables are the product."""
