"""What a launch can be told about what is to come: what its size can show, and the line that pays."""

from campaigns.outlook.looking import of
from campaigns.outlook.shapes import Base, Cut, Detectable, Missing, Outlook, Pays, Power

__all__ = ["Base", "Cut", "Detectable", "Missing", "Outlook", "Pays", "Power", "of"]
