"""One pretraining: an objective on Lightning, watched for collapse, saved so that a killed run goes on exactly."""
