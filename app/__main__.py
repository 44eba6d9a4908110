"""`python -m app` is `larkwise`."""

from app.cli import main

if __name__ == "__main__":
    main()
