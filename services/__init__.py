"""Heed's services. They never import one another; they meet on Kafka topics."""
