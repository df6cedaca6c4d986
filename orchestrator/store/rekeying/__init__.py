"""Results of before the number of workers belonged to what a trial is: their trials get the ids of now (ADR 23)."""
