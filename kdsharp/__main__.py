"""`python -m kdsharp COMMAND`, the same as `kdsharp COMMAND`."""

import sys

from kdsharp.apps.cli import main

sys.exit(main())
