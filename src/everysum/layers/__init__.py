"""The parts that every network here is composed of: one file a concept, each defined once."""
