"""What `bench/run` is made of: Python's standard library only, one file for each thing that is measured."""
