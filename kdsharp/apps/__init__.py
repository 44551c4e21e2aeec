"""What people use: the command line, pictures, videos, calls and pages."""
