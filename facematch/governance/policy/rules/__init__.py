"""Policy rules: frozen values that judge requests, in five modules by what they judge."""
