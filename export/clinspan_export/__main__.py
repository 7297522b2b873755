import sys

from clinspan_export.cli import main

sys.exit(main())
