"""The portal: where teams read their pages and say what they do about them."""
