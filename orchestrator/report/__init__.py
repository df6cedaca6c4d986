"""What is made of a results directory: each takes tables or the journal and leaves an artefact."""
