"""Prompts: sandboxed Jinja2 templates, messages and few-shot examples."""
