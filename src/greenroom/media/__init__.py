"""Real audio and video for whoever has joined."""
