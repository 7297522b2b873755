import sys

from clinspan_export.cli.main import main

sys.exit(main())
