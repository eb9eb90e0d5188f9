"""The event-sourced core for calls, livestreams and audio rooms."""
