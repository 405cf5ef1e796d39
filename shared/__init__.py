"""What every Heed service shares: events, topics, the consumer, the publisher, settings, telemetry."""
