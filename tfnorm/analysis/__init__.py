"""Analysis of any Keras model: covariate shift and its bounds, disturbance, conditioning."""
