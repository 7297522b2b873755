"""Helpers for tests of packages: small wheels, and the services that packages run in."""
