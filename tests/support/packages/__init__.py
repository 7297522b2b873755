"""What tests of packages need: small wheels, and the services that packages run in."""
