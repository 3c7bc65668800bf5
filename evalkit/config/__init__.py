"""YAML in, nouns out: suites, the project file, prices and JSON Schemas; every problem at once, with file and line."""
