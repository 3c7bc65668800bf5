"""What may be concluded from comparisons, and how it is said: outcomes, policies, comment, JUnit, annotations."""
