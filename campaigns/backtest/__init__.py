"""What a campaign would have done in a time that is past: its plan acted out day by day on what was known then."""
