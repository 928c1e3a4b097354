"""Other programs are told what happens here, by Standard Webhooks (version 1.0.0)."""
