"""A second, naive meaning of rules: customer by customer, straight from the JSON. It shares no code with the first."""
