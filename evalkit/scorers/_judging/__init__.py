"""What judges share: showing texts as data, asking from a menu, reading the verdict."""
