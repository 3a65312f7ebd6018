"""Whole stories: the command line, video, evaluation."""
