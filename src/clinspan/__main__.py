import sys

from clinspan.cli.main import main

sys.exit(main())
