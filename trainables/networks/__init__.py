"""The modules that models build. They need torch, which who only describes a model (the driver) does without."""
