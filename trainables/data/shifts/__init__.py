"""Pictures that come otherwise than those a net was trained on."""
