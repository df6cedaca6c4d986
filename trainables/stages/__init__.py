"""What is done with the weights of a trial that has ended: a stage."""
