"""Takes feedback in, makes it durable, and hands it on to Kafka."""
