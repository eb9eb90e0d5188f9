"""Media in processes of its own: what they are asked, who asks them, and who keeps them alive."""
