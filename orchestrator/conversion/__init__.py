"""Results for other programs: TensorBoard, MLflow, spreadsheets. A second one adds what is new."""
