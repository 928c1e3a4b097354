"""Files that come in by themselves: folders and addresses are looked at again and again."""
