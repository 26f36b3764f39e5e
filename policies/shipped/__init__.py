"""The policies that come with Winnower, data only: each has a graph that must match and one that must not."""
