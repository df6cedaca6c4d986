"""Generative adversarial networks, as the model `sgan` and the regularizer `gan_augment` use them."""
