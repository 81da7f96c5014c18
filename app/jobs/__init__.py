"""Jobs: what may be asked, which trees and recipe runs follow from it."""
